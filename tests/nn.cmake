# Tests of nn/

rela_tests(nn_tests
  SOURCES
    nn/test_golden.cpp
  LINKS rela)
