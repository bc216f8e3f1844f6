"""What every request passes before a route (stack.py shows the order); pure ASGI."""
