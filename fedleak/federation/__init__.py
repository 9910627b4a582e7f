"""The federation: its plan, Flower records, the loopback Grid and the engines that run the two apps."""
