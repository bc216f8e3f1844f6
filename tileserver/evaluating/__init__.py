"""`overzoom evaluate`: what checkpoints are worth, as a report.

command      which experiments are wanted; evaluate_command is its command line
pictures     enlargements of reduced pictures beside peers and interpolations
ways, peers  everything that enlarges
fusion       the rules by which patches are fused, on one scene
buildings    a task on the pictures: finding buildings
uncertainty  whether the standard deviation over noise seeds says where errors are
sheet        the same ground in every way, to look at
columns      what the tables' columns mean
report       tables and pictures as Markdown and JSON
"""
