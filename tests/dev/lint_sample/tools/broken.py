# wrong-file: python-syntax
def f(:
