"""The same as `python -m dglgan_tf.convert`, under its older name."""

from dglgan_tf import convert

if __name__ == "__main__":
    convert.entry()
