"""Does a converted network compute what its source computes?"""
