"""The same as `python -m dglgan_tf.prepare`, under its older name."""

from dglgan_tf import prepare

if __name__ == "__main__":
    prepare.entry()
