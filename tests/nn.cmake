# Tests of nn/
