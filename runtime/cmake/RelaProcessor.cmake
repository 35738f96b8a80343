# What the compiler may use of the processor, as apps/processor_check.cpp wants it: RELA_PROCESSOR_NEEDS is
# X("avx2") X("fma") ... for the flags of this build.

set(flags ${CMAKE_CXX_FLAGS})
separate_arguments(flags)
if(RELA_NATIVE)
  list(APPEND flags -march=native)
endif()
execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -dM -E -x c++ /dev/null OUTPUT_VARIABLE macros ERROR_QUIET)
set(RELA_PROCESSOR_NEEDS "")
foreach(feature sse4.2 avx avx2 fma bmi bmi2 gfni avx512f avx512cd avx512bw avx512dq avx512vl avx512ifma avx512vbmi
                avx512vbmi2 avx512vnni avx512bitalg avx512vpopcntdq avx512bf16)
  string(TOUPPER "${feature}" macro)
  string(REPLACE "." "_" macro "${macro}")
  if(macros MATCHES "#define __${macro}__ 1")
    string(APPEND RELA_PROCESSOR_NEEDS "X(\"${feature}\") ")
  endif()
endforeach()

# rela_processor_check(<target> <needs>): an object library of the check.
function(rela_processor_check target needs)
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/apps/processor_check.cpp)
  target_compile_definitions(${target} PRIVATE "RELA_NEEDS=${needs}")
  target_compile_options(${target} PRIVATE ${RELA_WARNINGS} -march=x86-64 -mtune=generic -fno-sanitize=all)
endfunction()
