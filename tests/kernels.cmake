# Tests of kernels/, labelled kernels: they build without nn/ and rela/. The target kernel_tests builds them.

rela_tests(kernels_op_tests LIGHT
  SOURCES
    kernels/test_attention.cpp
    kernels/test_conv2d.cpp
    kernels/test_embed.cpp
    kernels/test_linear.cpp
    kernels/test_op_cases.cpp
    kernels/test_op_list.cpp
    kernels/test_pool2d.cpp
    kernels/test_transport.cpp
  LINKS op_cases
  LABELS kernels)
target_compile_definitions(kernels_op_tests PRIVATE
  RELA_OPS_HEADER="${CMAKE_SOURCE_DIR}/runtime/ops/ops.h")

rela_tests(kernels_norm_tests LIGHT
  SOURCES
    kernels/test_batch_norm.cpp
    kernels/test_elementwise.cpp
    kernels/test_gather.cpp
    kernels/test_gram.cpp
    kernels/test_loss.cpp
    kernels/test_statistics.cpp
  LINKS runtime
  LABELS kernels)
rela_tests(kernels_optimizer_tests LIGHT
  SOURCES
    kernels/test_ema.cpp
    kernels/test_optimizer.cpp
    kernels/test_parallel.cpp
  LINKS kernels
  LABELS kernels)
rela_tests(similarity_tests LIGHT
  SOURCES
    kernels/test_top_k.cpp
  LINKS
    kernels
  LABELS kernels)

rela_tests(tuning_tests LIGHT
  SOURCES
    kernels/test_shared_library.cpp
    kernels/test_tuning.cpp
  LINKS
    kernels
  LABELS kernels)


# sums/<folder>/lib/libsums.so.9, one for each version, for tests of libraries that are loaded.
function(rela_fake_library folder version)
  add_library(sums_${folder} SHARED kernels/fakes/sums.cpp)
  target_compile_definitions(sums_${folder} PRIVATE SUMS_VERSION=${version})
  target_link_options(sums_${folder} PRIVATE ${ARGN})
  set_target_properties(sums_${folder} PROPERTIES OUTPUT_NAME sums SUFFIX .so.9
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/sums/${folder}/lib)
  add_dependencies(tuning_tests sums_${folder})
endfunction()
rela_fake_library(new 91900)
rela_fake_library(old 90800)
rela_fake_library(sticky 90800 -Wl,-z,nodelete)
target_compile_definitions(tuning_tests PRIVATE RELA_FAKE_LIBRARIES="${CMAKE_CURRENT_BINARY_DIR}/sums")

# The same operations as on a CPU without AVX-512: no bf16 arithmetic, no Winograd.
add_test(NAME kernels_op_tests_on_avx2 COMMAND kernels_op_tests --gtest_filter=*onv2d*:*inear*:*ransport*)
set_tests_properties(kernels_op_tests_on_avx2 PROPERTIES ENVIRONMENT "ONEDNN_MAX_CPU_ISA=AVX2"
                                                         LABELS kernels TIMEOUT 120)

rela_tests(kernels_data_tests LIGHT
  SOURCES
    kernels/augment/test_blur.cpp
    kernels/augment/test_color.cpp
    kernels/augment/test_resize.cpp
    kernels/augment/test_resize_pillow.cpp
    kernels/augment/test_view.cpp
    kernels/test_philox.cpp
  LINKS
    kernels
  LABELS kernels)

add_custom_target(kernel_tests DEPENDS kernels_data_tests kernels_norm_tests kernels_op_tests
                                       kernels_optimizer_tests similarity_tests tuning_tests)

rela_rank_tests(mpi_group_tests SOURCES kernels/test_mpi_group.cpp LINKS kernels RANKS 3 LABELS ranks)
