"""Scores during a training: at snapshots, best ones kept, nothing stops it."""

import functools
import json

import pytest
import tiny_runs

from dglgan_tf import monitor
from dglgan_tf.metrics import extractors, scores

