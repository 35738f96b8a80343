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

# rela_require_library(<label> <debian-package> <target> <variable prefix> <header> <library>)
# For packages without CMake files of use.
macro(rela_require_library label debian target prefix header library)
  find_path(${prefix}_INCLUDE_DIR ${header})
  find_library(${prefix}_LIBRARY ${library})
  if(NOT ${prefix}_INCLUDE_DIR OR NOT ${prefix}_LIBRARY)
    message(FATAL_ERROR "${label} not found: install ${debian} (apt-get install ${debian}), or set "
                        "${prefix}_INCLUDE_DIR and ${prefix}_LIBRARY")
  endif()
  add_library(${target} UNKNOWN IMPORTED)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${prefix}_LIBRARY}
                                             INTERFACE_INCLUDE_DIRECTORIES ${${prefix}_INCLUDE_DIR})
  rela_note("${label}" "${${prefix}_LIBRARY}")
endmacro()

# Debian's own CMake files of oneDNN ask for OpenCL, which the CPU engine does not need; xxHash has none.
rela_require_library("oneDNN" libdnnl-dev DNNL::dnnl DNNL dnnl.hpp dnnl)
rela_require_library("xxHash" libxxhash-dev xxhash::xxhash XXHASH xxhash.h xxhash)
rela_require_library("libwebp" libwebp-dev webp::webp WEBP webp/decode.h webp)
rela_require_library("libwebpdemux" libwebp-dev webp::demux WEBPDEMUX webp/demux.h webpdemux)
rela_require("OpenMP" g++ OpenMP)
rela_require("threads" libc6-dev Threads)
rela_require("nlohmann/json" nlohmann-json3-dev nlohmann_json)
rela_require("fmt" libfmt-dev fmt)
rela_require("spdlog" libspdlog-dev spdlog)
rela_require("CLI11" libcli11-dev CLI11)
rela_require("Eigen" libeigen3-dev Eigen3)
rela_require("zlib" zlib1g-dev ZLIB)
rela_require("libpng" libpng-dev PNG)
rela_require("libjpeg" libjpeg-dev JPEG)
rela_require("libarchive" libarchive-dev LibArchive)
rela_optional("GoogleTest" "libgtest-dev libgmock-dev" RELA_TESTS GTest)
rela_optional("Google Benchmark" libbenchmark-dev RELA_BENCH benchmark)

# Open MPI is loaded when several processes are launched: only its header is needed here.
set(RELA_MPI AUTO CACHE STRING "runs of several processes (Open MPI): AUTO, ON or OFF")
set(RELA_MPI_FOUND FALSE)
if(NOT RELA_MPI STREQUAL "OFF")
  find_program(RELA_MPICC mpicc HINTS ENV MPI_HOME PATH_SUFFIXES bin)
  cmake_path(GET RELA_MPICC PARENT_PATH mpi_bin)
  file(GLOB mpi_folders /usr/lib/*/openmpi)
  find_path(RELA_MPI_INCLUDE_DIR mpi.h
    HINTS ENV MPI_HOME ${mpi_bin}/.. PATHS ${mpi_folders} /usr/include/openmpi-x86_64
    PATH_SUFFIXES include
    DOC "folder with Open MPI's mpi.h")
  if(RELA_MPI_INCLUDE_DIR)
    file(STRINGS ${RELA_MPI_INCLUDE_DIR}/mpi.h mpi_version REGEX "#define OMPI_(MAJOR|MINOR)_VERSION")
    string(REGEX MATCHALL "[0-9]+" mpi_version "${mpi_version}")
    list(JOIN mpi_version "." mpi_version)
  endif()
  if(RELA_MPI_INCLUDE_DIR AND mpi_version)
    set(RELA_MPI_FOUND TRUE)
    cmake_path(GET RELA_MPI_INCLUDE_DIR PARENT_PATH RELA_MPI_FOLDER)
    set(RELA_MPI_FOLDER ${RELA_MPI_FOLDER}/lib)
    rela_note("Open MPI" "${mpi_version} ${RELA_MPI_INCLUDE_DIR}")
  elseif(RELA_MPI STREQUAL "ON")
    message(FATAL_ERROR "Open MPI not found but RELA_MPI=ON: install libopenmpi-dev and openmpi-bin, set "
                        "RELA_MPI_INCLUDE_DIR to the folder that holds its mpi.h, or pass -DRELA_MPI=OFF")
  else()
    rela_note("Open MPI" "off (RELA_MPI=${RELA_MPI}; Debian packages libopenmpi-dev openmpi-bin)")
  endif()
endif()
