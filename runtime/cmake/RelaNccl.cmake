# NCCL, for runs on several GPUs; emulated builds have a twin of it. Programs load it when they need it;
# the build wants its header.
#   RELA_NCCL_FOUND, RELA_NCCL_FOLDER, NCCL_INCLUDE_DIR

set(RELA_NCCL_FOUND FALSE)
if(RELA_CUDA STREQUAL "OFF")
  return()
endif()
file(GLOB RELA_NCCL_PYTHON_DIRS $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/nccl
                                $ENV{CONDA_PREFIX}/lib/python3*/site-packages/nvidia/nccl)
find_path(NCCL_INCLUDE_DIR nccl.h
  HINTS ${NCCL_ROOT} $ENV{NCCL_ROOT} ${RELA_CUDA_INCLUDE_DIR}/.. ${RELA_NCCL_PYTHON_DIRS}
  PATH_SUFFIXES include DOC "folder with nccl.h")
if(NCCL_INCLUDE_DIR)
  set(RELA_NCCL_FOUND TRUE)
  cmake_path(GET NCCL_INCLUDE_DIR PARENT_PATH RELA_NCCL_FOLDER)
  set(RELA_NCCL_FOLDER ${RELA_NCCL_FOLDER}/lib)
  rela_note("NCCL" "${NCCL_INCLUDE_DIR}")
else()
  rela_note("NCCL" "not found, runs have one GPU (NCCL_ROOT names its folder)")
endif()
