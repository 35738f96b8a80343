# Tests of nn/

rela_tests(nn_tests
  SOURCES
    nn/test_arena.cpp
    nn/test_backbone.cpp
    nn/test_backbone_weights.cpp
    nn/test_golden.cpp
    nn/test_moving_average.cpp
    nn/test_optimizer.cpp
    nn/test_resnet.cpp
    nn/test_schedule.cpp
    nn/test_state.cpp
    nn/test_vit.cpp
    nn/test_weight_names.cpp
  LINKS rela)
