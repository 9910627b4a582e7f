"""`report.html`: one page for people, that needs nothing but itself; a section a file, drawn by the templates."""
