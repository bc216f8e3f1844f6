"""The server process: uvicorn and its shutdown, health checks, memory."""
