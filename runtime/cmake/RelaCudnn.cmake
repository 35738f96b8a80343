# cuDNN, for convolutions and attention on a GPU. RELA_CUDA=ON needs it; an emulated build uses it,
# where it is, only to check that it has its plans.
# Programs load it when they need it; the build wants its headers and knows its folder.
#   RELA_CUDNN_FOUND, RELA_CUDNN_FOLDER, target rela_cudnn (the headers)

set(RELA_CUDNN_FOUND FALSE)
if(RELA_CUDA STREQUAL "OFF")
  return()
endif()

set(RELA_CUDNN_ADVICE
    "install cuDNN 9.13 or later (NVIDIA's package cudnn9-cuda-13, or pip's nvidia-cudnn-cu13), or set CUDNN_ROOT to the folder that holds its include/ and lib/")
file(GLOB RELA_CUDNN_PYTHON_DIRS $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cudnn
                                 $ENV{CONDA_PREFIX}/lib/python3*/site-packages/nvidia/cudnn)
set(RELA_CUDNN_HINTS ${CUDNN_ROOT} $ENV{CUDNN_ROOT} ${RELA_CUDA_INCLUDE_DIR}/.. ${RELA_CUDNN_PYTHON_DIRS})
find_path(CUDNN_INCLUDE_DIR cudnn_backend.h HINTS ${RELA_CUDNN_HINTS} PATH_SUFFIXES include
          DOC "folder with cudnn_backend.h")
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${RELA_CUDNN_HINTS}
             PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu DOC "libcudnn.so")

if(CUDNN_INCLUDE_DIR AND CUDNN_LIBRARY)
  file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h lines REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
  string(REGEX REPLACE ".*MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCHLEVEL +([0-9]+).*" "\\1.\\2.\\3"
         RELA_CUDNN_VERSION "${lines}")
  if(RELA_CUDNN_VERSION VERSION_GREATER_EQUAL 9.13)
    set(RELA_CUDNN_FOUND TRUE)
    add_library(rela_cudnn INTERFACE)
    target_include_directories(rela_cudnn SYSTEM INTERFACE ${CUDNN_INCLUDE_DIR})
    target_link_libraries(rela_cudnn INTERFACE rela_cuda_headers)
    cmake_path(GET CUDNN_LIBRARY PARENT_PATH RELA_CUDNN_FOLDER)
    rela_note("cuDNN" "${RELA_CUDNN_VERSION} ${CUDNN_LIBRARY}")
  else()
    set(RELA_CUDNN_PROBLEM "${RELA_CUDNN_VERSION} is too old")
    rela_note("cuDNN" "${RELA_CUDNN_VERSION} is too old (9.13 is the first that serves)")
  endif()
else()
  set(RELA_CUDNN_PROBLEM "not found")
  rela_note("cuDNN" "not found (CUDNN_ROOT names its folder)")
endif()
if(RELA_CUDA STREQUAL "ON" AND NOT RELA_CUDNN_FOUND)
  message(FATAL_ERROR "cuDNN ${RELA_CUDNN_PROBLEM} but RELA_CUDA=ON: ${RELA_CUDNN_ADVICE}")
endif()
