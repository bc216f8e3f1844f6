"""What every request passes, and how a server is watched and ends.

middleware      observation (ids, logs, metrics) > guard (bounds, faults) > access (keys) >
                turns (a client's share) > public_url > routes
health, serving readiness, draining, exit; allocation: memory that stays flat
settings        all of it in numbers
"""
