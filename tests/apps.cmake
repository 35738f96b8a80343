# Tests of apps/, the scripts and the README

rela_tests(readme_tests
  SOURCES
    apps/test_readme_config.cpp
  LINKS rela)
target_compile_definitions(readme_tests PRIVATE RELA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")

# As if built for a processor that nobody has.
rela_processor_check(future_processor_check "X(\"avx2\") X(\"avx5124vnniw\") X(\"avx5124fmaps\")")
add_executable(program_of_the_future apps/empty_main.cpp $<TARGET_OBJECTS:future_processor_check>)
add_test(NAME apps.processor_check COMMAND sh -c "text=$($<TARGET_FILE:program_of_the_future> --help 2>&1); \
  [ $? -eq 8 ] && echo \"$text\" | grep -q 'this one lacks avx5124vnniw, avx5124fmaps; build it here'")

find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  foreach(tool check_scripts dialect nvcc_report rules selection structure)
    add_test(NAME tools.${tool}
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_${tool}.py)
    set_tests_properties(tools.${tool} PROPERTIES TIMEOUT 120)
  endforeach()
  add_test(NAME kernels.dialect COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/tools/dialect.py)
  add_test(NAME rooms.structure COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/tools/structure.py)
  add_test(NAME apps.scripts
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_scripts.py ${CMAKE_SOURCE_DIR})
  set_tests_properties(kernels.dialect rooms.structure apps.scripts PROPERTIES TIMEOUT 120)
  if(RELA_CUDA STREQUAL "OFF")  # once is enough
    add_test(NAME apps.configure
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_configure.py)
    set_tests_properties(apps.configure PROPERTIES LABELS slow TIMEOUT 300
                         ENVIRONMENT
      "RELA_DNNL=${DNNL_INCLUDE_DIR}\\;${DNNL_LIBRARY};RELA_XXHASH=${XXHASH_INCLUDE_DIR}\\;${XXHASH_LIBRARY};RELA_PNG=${PNG_PNG_INCLUDE_DIR}\\;${ZLIB_INCLUDE_DIR};RELA_PICTURES=${JPEG_INCLUDE_DIR}\\;${LibArchive_INCLUDE_DIR}\\;${WEBP_INCLUDE_DIR}\\;${WEBPDEMUX_INCLUDE_DIR}")
  endif()
  add_test(NAME bench.gpu_report
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_gpu_report.py)
  set_tests_properties(bench.gpu_report PROPERTIES LABELS slow TIMEOUT 300)
  add_test(NAME bench.scaling
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_scaling.py)
  set_tests_properties(bench.scaling PROPERTIES TIMEOUT 120)
  add_test(NAME bench.step_model
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_step_model.py)
  set_tests_properties(bench.step_model PROPERTIES TIMEOUT 120)
  add_test(NAME apps.readme_commands
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/readme_commands.py
                   ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  set_tests_properties(apps.readme_commands PROPERTIES LABELS slow TIMEOUT 600)
  add_test(NAME apps.published
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_published.py)
  set_tests_properties(apps.published PROPERTIES LABELS "apps;slow" TIMEOUT 300
    ENVIRONMENT "RELA_APPS=$<TARGET_FILE_DIR:evaluate>;OMP_WAIT_POLICY=passive")
  set(tests_of_programs evaluate experiment experiment_cells hosts idx install knn machine neighbours photos pictures ranks rela resume run_folder training transformers transport usage vit weights onnx)
  if(NOT RELA_CUDA STREQUAL "OFF")
    list(APPEND tests_of_programs cuda cuda_evaluation cuda_mixed)
  endif()
  # rela_program_test(<name> <script> [VARIABLES <name=value>...] [ARGS <argument>...])
  function(rela_program_test name script)
    cmake_parse_arguments(ARG "" "" "VARIABLES;ARGS" ${ARGN})
    add_test(NAME apps.${name}
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/apps/test_${script}.py ${ARG_ARGS})
    set_tests_properties(apps.${name} PROPERTIES LABELS apps TIMEOUT 300
      ENVIRONMENT "RELA_APPS=$<TARGET_FILE_DIR:train_byol>;RELA_BUILD=${CMAKE_BINARY_DIR};OMP_WAIT_POLICY=passive;RELA_SANITIZE=${RELA_SANITIZE};RELA_CUDA=${RELA_CUDA};${ARG_VARIABLES}")
  endfunction()
  foreach(name ${tests_of_programs})
    rela_program_test(${name} ${name})
  endforeach()
  rela_program_test(ranks_killed ranks VARIABLES RELA_RANK_KILLS=20
                    ARGS Faults.test_killed_ranks_end_the_run_and_it_goes_on)
  set_tests_properties(apps.ranks_killed PROPERTIES LABELS "apps;slow")
  set_tests_properties(apps.ranks PROPERTIES LABELS "apps;slow" TIMEOUT 600)
  if(NOT RELA_CUDA STREQUAL "OFF")
    set_tests_properties(apps.cuda apps.cuda_evaluation apps.cuda_mixed PROPERTIES LABELS "apps;cuda")
    if(RELA_CUDA STREQUAL "SIMT")  # ranks on GPUs would need as many
      rela_program_test(ranks_cuda ranks VARIABLES RELA_RANKS_DEVICE=cuda)
      set_tests_properties(apps.ranks_cuda PROPERTIES LABELS "apps;cuda")
      rela_program_test(step_trace step_model ARGS Traced)
      set_tests_properties(apps.step_trace PROPERTIES LABELS "apps;cuda")
    endif()
  endif()
endif()
