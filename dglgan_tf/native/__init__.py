"""Convolutions and filter passes in C++ for CPUs, compiled by the user's compiler."""
