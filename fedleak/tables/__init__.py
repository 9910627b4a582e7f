"""Tables: what they are read from, which rows are public, and what columns the public knows.

The clients' rows are private, so that attacks cannot import this; of a table they get an input space
(`fedleak.learning.table`): names and kinds of columns, categories, and ranges by public rows alone.
"""
