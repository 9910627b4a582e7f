"""The catalogue of tasks: a data source's shape and classes, and a network, under the name `SOURCE-MODEL`."""
