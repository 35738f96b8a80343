# Finds every package once. A missing required package stops with the Debian package that has it;
# an optional one (AUTO|ON|OFF) is an error only when it is ON. rela_print_dependencies() shows all.

set(RELA_DEPENDENCY_TABLE "")

function(rela_note name state)
  string(LENGTH "${name}" length)
  math(EXPR pad "18 - ${length}")
  string(REPEAT " " ${pad} spaces)
  set(RELA_DEPENDENCY_TABLE "${RELA_DEPENDENCY_TABLE}\n  ${name}${spaces}${state}" PARENT_SCOPE)
endfunction()

# rela_require(<label> <debian-package> <find_package arguments>...)
macro(rela_require label debian)
  find_package(${ARGN} QUIET)
  if(NOT ${ARGV2}_FOUND)
    message(FATAL_ERROR "${label} not found: install ${debian} (apt-get install ${debian}), "
                        "or set ${ARGV2}_DIR to the folder that holds its CMake files, ${ARGV2}_ROOT to "
                        "that where it is installed")
  endif()
  rela_note("${label}" "${${ARGV2}_VERSION}${${ARGV2}_VERSION_STRING} ${${ARGV2}_DIR}${${ARGV2}_LIBRARIES}")
endmacro()

# rela_optional(<label> <debian-package> <switch variable> <package>)
macro(rela_optional label debian switch package)
  set(${switch}_FOUND FALSE)
  if(NOT "${${switch}}" STREQUAL "OFF")
    find_package(${package} QUIET)
    set(${switch}_FOUND ${${package}_FOUND})
  endif()
  if("${${switch}}" STREQUAL "ON" AND NOT ${switch}_FOUND)
    message(FATAL_ERROR "${label} not found but ${switch}=ON: install ${debian}, set ${package}_DIR, "
                        "or pass -D${switch}=OFF")
  endif()
  if(${switch}_FOUND)
    rela_note("${label}" "${${package}_VERSION} ${${package}_DIR}")
  else()
    rela_note("${label}" "off (${switch}=${${switch}}; Debian package ${debian})")
  endif()
endmacro()

function(rela_print_dependencies)
  message(STATUS "rela ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} "
                 "${CMAKE_CXX_COMPILER_VERSION}; found:${RELA_DEPENDENCY_TABLE}")
endfunction()

# oneDNN by header and library: Debian's own CMake files ask for OpenCL, which the CPU engine does not need.
find_path(DNNL_INCLUDE_DIR dnnl.hpp)
find_library(DNNL_LIBRARY dnnl)
if(NOT DNNL_INCLUDE_DIR OR NOT DNNL_LIBRARY)
  message(FATAL_ERROR "oneDNN not found: install libdnnl-dev (apt-get install libdnnl-dev), or set "
                      "DNNL_INCLUDE_DIR and DNNL_LIBRARY")
endif()
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
                                            INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
rela_note("oneDNN" "${DNNL_LIBRARY}")
# xxHash by header and library: Debian's package has no CMake files.
find_path(XXHASH_INCLUDE_DIR xxhash.h)
find_library(XXHASH_LIBRARY xxhash)
if(NOT XXHASH_INCLUDE_DIR OR NOT XXHASH_LIBRARY)
  message(FATAL_ERROR "xxHash not found: install libxxhash-dev (apt-get install libxxhash-dev), or set "
                      "XXHASH_INCLUDE_DIR and XXHASH_LIBRARY")
endif()
add_library(xxhash::xxhash UNKNOWN IMPORTED)
set_target_properties(xxhash::xxhash PROPERTIES IMPORTED_LOCATION ${XXHASH_LIBRARY}
                                                INTERFACE_INCLUDE_DIRECTORIES ${XXHASH_INCLUDE_DIR})
rela_note("xxHash" "${XXHASH_LIBRARY}")
rela_require("OpenMP" g++ OpenMP)
rela_require("threads" libc6-dev Threads)
rela_require("nlohmann/json" nlohmann-json3-dev nlohmann_json)
rela_require("fmt" libfmt-dev fmt)
rela_require("spdlog" libspdlog-dev spdlog)
rela_require("CLI11" libcli11-dev CLI11)
rela_require("Eigen" libeigen3-dev Eigen3)
rela_require("zlib" zlib1g-dev ZLIB)
rela_require("libpng" libpng-dev PNG)
rela_optional("GoogleTest" "libgtest-dev libgmock-dev" RELA_TESTS GTest)
rela_optional("Google Benchmark" libbenchmark-dev RELA_BENCH benchmark)
