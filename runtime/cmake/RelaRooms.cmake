# One target per room. A room sees its own headers and those of the rooms it links, and no others:
# every room exports a folder that holds nothing but a link to itself, so an include against the
# arrows (apps -> rela -> nn -> runtime -> kernels) does not compile.

option(RELA_PCH "precompile headers of libraries: builds faster; OFF, as in tests/check.sh --werror, \
every file has to include what it uses" ON)

find_program(RELA_CCACHE ccache)
if(RELA_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RELA_CCACHE})
  if(RELA_PCH)  # otherwise it passes such files on to the compiler, every time
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${RELA_CCACHE})
  endif()
endif()

# rela_precompile(<target> <header>...): of libraries alone; a header of the project would make every file
# depend on it.
function(rela_precompile target)
  if(NOT RELA_PCH)
    return()
  endif()
  list(TRANSFORM ARGN REPLACE "(.+)" "<\\1>" OUTPUT_VARIABLE headers)
  target_precompile_headers(${target} PRIVATE ${headers})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache needs it
  endif()
endfunction()
set(RELA_STANDARD_HEADERS algorithm array cmath cstdint filesystem functional map memory numeric optional set
                          span sstream string thread variant vector)

add_library(rela_options INTERFACE)
target_compile_options(rela_options INTERFACE ${RELA_WARNINGS})
if(RELA_NATIVE)
  target_compile_options(rela_options INTERFACE -march=native)
endif()
if(RELA_SANITIZE)
  target_compile_options(rela_options INTERFACE -fsanitize=${RELA_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(rela_options INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)  # false alarms of GCC 12
  endif()
  if(RELA_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(rela_options INTERFACE -Wno-tsan)  # fences: it sees the atomics around them
  endif()
  target_link_options(rela_options INTERFACE -fsanitize=${RELA_SANITIZE})
endif()

# rela_optimise(<target> <level>): in a Release build. Arithmetic is in kernels/, at -O3; elsewhere, that
# level would make the build longer and nothing faster.
function(rela_optimise target level)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE ${level})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND level STREQUAL "-O1")  # GCC 12's false alarms about its own headers
      target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-uninitialized
                                               -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()

# rela_room(<name> SOURCES <file>... [LINKS <target>...] [PRECOMPILE <header>...] [PLAIN <folder>...])
# PLAIN: folders of sources without arithmetic and loops over data; they make <name>_plain.
function(rela_room room)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRECOMPILE;PLAIN" ${ARGN})
  set(export_dir ${CMAKE_BINARY_DIR}/rooms/${room})
  file(MAKE_DIRECTORY ${export_dir})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${export_dir}/${room} SYMBOLIC)
  if(ARG_SOURCES)
    set(parts ${room})
    if(ARG_PLAIN)
      list(JOIN ARG_PLAIN "|" folders)
      set(plain ${ARG_SOURCES})
      list(FILTER plain INCLUDE REGEX "^(${folders})/")
      list(FILTER ARG_SOURCES EXCLUDE REGEX "^(${folders})/")
      add_library(${room}_plain OBJECT ${plain})
      rela_optimise(${room}_plain -O1)
      list(APPEND ARG_SOURCES $<TARGET_OBJECTS:${room}_plain>)
      list(APPEND parts ${room}_plain)
    endif()
    add_library(${room} STATIC ${ARG_SOURCES})
    if(ARG_PRECOMPILE)
      rela_optimise(${room} -O2)
    endif()
    foreach(part ${parts})
      target_include_directories(${part} PUBLIC ${export_dir})
      target_link_libraries(${part} PUBLIC rela_options ${ARG_LINKS})
      if(ARG_PRECOMPILE)
        rela_precompile(${part} ${ARG_PRECOMPILE})
      endif()
    endforeach()
  else()
    add_library(${room} INTERFACE)
    target_include_directories(${room} INTERFACE ${export_dir})
    target_link_libraries(${room} INTERFACE rela_options ${ARG_LINKS})
  endif()
endfunction()

# rela_program(<name> SOURCES <file>... LINKS <target>...)
function(rela_program program)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${program} ${ARG_SOURCES})
  target_link_libraries(${program} PRIVATE rela_options ${ARG_LINKS})
endfunction()

# For tests, which take longer to compile than to run.
function(rela_quick_to_compile target)
  rela_optimise(${target} -O1)
  if(RELA_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

# rela_tests(<name> SOURCES <file>... LINKS <target>... [LABELS <label>...] [TIMEOUT <seconds>] [LIGHT])
# One GoogleTest binary; each test becomes one CTest entry. LIGHT: built without nn/ and rela/.
function(rela_tests name)
  cmake_parse_arguments(ARG "LIGHT" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  set(support tests_support)
  if(ARG_LIGHT)
    set(support tests)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  rela_program(${name} SOURCES ${ARG_SOURCES} LINKS ${ARG_LINKS} ${support} GTest::gmock GTest::gtest
                                                    GTest::gtest_main)
  rela_quick_to_compile(${name})
  if(RELA_PCH)
    target_precompile_headers(${name} REUSE_FROM tests_pch)
  endif()
  include(GoogleTest)
  set(properties TIMEOUT ${ARG_TIMEOUT})
  if(ARG_LABELS)
    string(REPLACE ";" "\\;" labels "${ARG_LABELS}")
    list(APPEND properties LABELS "${labels}")
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()
