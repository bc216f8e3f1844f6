"""`overzoom evaluate`: what checkpoints are worth, as a report.

pictures     enlargements of reduced pictures beside peers and interpolations
fusion       the rules by which patches are fused, on one scene
buildings    a task on the pictures: finding buildings
uncertainty  whether the standard deviation over noise seeds says where errors are
sheet        the same ground in every way, to look at
report       tables and pictures as Markdown and JSON
"""
