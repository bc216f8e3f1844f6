"""How many servers so many viewers need (`make capacity`).

costs        measures what a server's work takes of a core
load         costs, viewers and servers as values, and what became of the requests
cores        events, and cores that threads share
replica      a simulated server, with tileserver's own DrawQueue
simulation   servers, viewers, a balancer and a Redis
panning      the same viewers at a real server, for the check
__main__     prints costs, check and table
"""
