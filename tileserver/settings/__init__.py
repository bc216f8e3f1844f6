"""What can be configured, how it is read, and how it is documented.

server       all settings: sources, cache, operation are its parts; base what they are made of
reading      defaults < YAML < environment < command line -> Settings
environment  variables -> nested mappings
problems     what is wrong with settings, in words
document     the JSON schema, and the annotated example
"""
