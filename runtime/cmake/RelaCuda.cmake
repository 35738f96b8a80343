# RELA_CUDA: OFF builds for the CPU alone; ON builds the CUDA kernels with nvcc; SIMT builds the same
# kernels with the C++ compiler, to be run by the emulator in kernels/simt/ (a tool for tests).
#   rela_cuda_headers   target with the toolkit's include folder
#   rela_cuda_sources() adds .cu files to a room

set(RELA_CUDA OFF CACHE STRING "CUDA kernels: OFF, SIMT (emulated on the CPU) or ON (nvcc)")
set_property(CACHE RELA_CUDA PROPERTY STRINGS OFF SIMT ON)
if(NOT RELA_CUDA MATCHES "^(OFF|SIMT|ON)$")
  message(FATAL_ERROR "RELA_CUDA=${RELA_CUDA}; allowed are OFF, SIMT and ON")
endif()
option(RELA_COVERAGE "count executed lines of emulated kernels (gcov)" OFF)
if(RELA_CUDA STREQUAL "OFF")
  rela_note("CUDA" "off (RELA_CUDA=OFF)")
  return()
endif()

set(RELA_CUDA_ADVICE
    "install the CUDA Toolkit 13 (NVIDIA's package cuda-toolkit-13-0), set CUDA_HOME or CUDAToolkit_ROOT to its folder, or pass -DRELA_CUDA=OFF")
find_path(RELA_CUDA_INCLUDE_DIR cuda_runtime.h
  HINTS ${CUDAToolkit_ROOT} ENV CUDAToolkit_ROOT ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda /opt/cuda
  PATH_SUFFIXES include targets/x86_64-linux/include
  DOC "folder with cuda_runtime.h")
if(NOT RELA_CUDA_INCLUDE_DIR)
  message(FATAL_ERROR "CUDA headers not found but RELA_CUDA=${RELA_CUDA}: ${RELA_CUDA_ADVICE}")
endif()
file(STRINGS ${RELA_CUDA_INCLUDE_DIR}/cuda_runtime_api.h version REGEX "#define CUDART_VERSION ")
string(REGEX REPLACE ".*CUDART_VERSION +([0-9]+).*" "\\1" RELA_CUDA_VERSION "${version}")
if(RELA_CUDA_VERSION LESS 13000)
  message(FATAL_ERROR "CUDA ${RELA_CUDA_VERSION} in ${RELA_CUDA_INCLUDE_DIR} is too old, 13000 (13.0) "
                      "is the first that serves: ${RELA_CUDA_ADVICE}")
endif()

add_library(rela_cuda_headers INTERFACE)
target_include_directories(rela_cuda_headers SYSTEM INTERFACE ${RELA_CUDA_INCLUDE_DIR})

if(RELA_CUDA STREQUAL "ON")
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Machine code for A100, RTX 30 and 40, H100 and H200, B200, RTX 50; PTX for what comes later.
    set(CMAKE_CUDA_ARCHITECTURES "80-real;86-real;89-real;90-real;100-real;120")
  endif()
  find_program(CMAKE_CUDA_COMPILER nvcc
    HINTS ${CUDAToolkit_ROOT} ENV CUDAToolkit_ROOT ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda
    PATH_SUFFIXES bin)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "nvcc not found but RELA_CUDA=ON: ${RELA_CUDA_ADVICE}")
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  endif()
  find_package(CUDAToolkit REQUIRED)
  if(NOT CUDA_cublasLt_LIBRARY)
    message(FATAL_ERROR "cuBLASLt not found but RELA_CUDA=ON: install NVIDIA's package "
                        "libcublas-dev-13-0, or set CUDAToolkit_ROOT to the toolkit's folder")
  endif()
  cmake_path(GET CUDA_cublasLt_LIBRARY PARENT_PATH RELA_CUBLAS_FOLDER)  # programs load it when they need it
  rela_note("CUDA" "${RELA_CUDA_VERSION} ${CMAKE_CUDA_COMPILER} for ${CMAKE_CUDA_ARCHITECTURES}")
else()
  rela_note("CUDA" "emulated on the CPU; headers ${RELA_CUDA_VERSION} ${RELA_CUDA_INCLUDE_DIR}")
endif()

# rela_cuda_objects(<name> ROOMS <room>... KERNELS <file.cu>... [SOURCES <file.cpp>...])
# Objects of kernels, and of host code that goes with them, that see the headers of the rooms.
function(rela_cuda_objects name)
  cmake_parse_arguments(ARG "" "" "ROOMS;KERNELS;SOURCES" ${ARGN})
  add_library(${name} OBJECT ${ARG_KERNELS} ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE RELA_HAS_CUDA=1)
  target_link_libraries(${name} PRIVATE rela_cuda_headers)
  if(RELA_CUDA STREQUAL "SIMT")
    set_source_files_properties(${ARG_KERNELS} PROPERTIES LANGUAGE CXX)
    target_compile_options(${name} PRIVATE ${RELA_EMULATED_OPTIONS})
    target_compile_definitions(${name} PRIVATE RELA_CUDA_SIMT=1)
    target_link_libraries(${name} PRIVATE rela_options)
  else()
    target_compile_options(${name} PRIVATE
                           "$<$<COMPILE_LANGUAGE:CUDA>:-lineinfo;--expt-relaxed-constexpr>"
                           "$<$<COMPILE_LANGUAGE:CXX>:${RELA_WARNINGS};${RELA_FALSE_ALARMS}>")
  endif()
  foreach(room ${ARG_ROOMS})
    target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/rooms/${room})
  endforeach()
endfunction()

# rela_cuda_sources(<room> KERNELS <file.cu>... COMMON <file.cpp>... EMULATOR <file.cpp>...
#                   DEVICE <file.cpp>...)
# Adds kernels to a room, and what stands behind the launch interface: EMULATOR when emulated, DEVICE on a
# GPU.
function(rela_cuda_sources room)
  cmake_parse_arguments(ARG "" "" "KERNELS;COMMON;EMULATOR;DEVICE" ${ARGN})
  target_compile_definitions(${room} PUBLIC RELA_HAS_CUDA=1)
  if(RELA_CUDA STREQUAL "SIMT")
    set(implementation ${ARG_EMULATOR})
    target_compile_definitions(${room} PUBLIC RELA_CUDA_SIMT=1)
  else()
    set(implementation ${ARG_DEVICE})
    target_link_libraries(${room} PUBLIC CUDA::cudart_static)
  endif()
  rela_cuda_objects(${room}_cuda ROOMS ${room} KERNELS ${ARG_KERNELS}
                    SOURCES ${ARG_COMMON} ${implementation})
  if(RELA_COVERAGE AND RELA_CUDA STREQUAL "SIMT")
    set_source_files_properties(${ARG_KERNELS} PROPERTIES COMPILE_OPTIONS --coverage)
    target_link_options(${room} PUBLIC --coverage)
  endif()
  target_sources(${room} PRIVATE $<TARGET_OBJECTS:${room}_cuda>)
endfunction()

# Kernels look at memory through other types, as CUDA allows. Their warnings are nvcc's to give:
# #pragma unroll, and parameters of templates that only the device reads.
set(RELA_FALSE_ALARMS "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND RELA_FALSE_ALARMS -Wno-restrict)  # of GCC 12, for "text" + std::string
endif()
set(RELA_EMULATED_OPTIONS -fno-strict-aliasing -Wno-unknown-pragmas -Wno-unused-parameter
                          ${RELA_FALSE_ALARMS})
