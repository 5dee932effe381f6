"""stub to be replaced"""
def write(*a): pass
