"""What goes over the wire: the service's shapes, limits, rules, errors and rates."""
