"""Guard of a site: holds each reply of a visiting Flower app to the site's own policy before it leaves."""
