"""Jobs of the DAG, one file each: a rule, the verb that it calls and the function of that name.

Every function here can be called from Python with the words of the command line; a file imports what its job needs, so
that no job pays for another one's libraries.
"""
