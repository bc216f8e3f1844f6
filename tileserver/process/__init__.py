"""The server's processes: uvicorn, its shutdown, workers and supervisor, health, memory."""
