# Tests of rela/

rela_tests(config_tests
  SOURCES
    rela/config/test_config_load.cpp
    rela/config/test_config_mistakes.cpp
    rela/config/test_config_override.cpp
    rela/config/test_config_resume.cpp
    rela/config/test_config_schema.cpp
  LINKS
    rela)
set_source_files_properties(rela/config/test_config_load.cpp PROPERTIES
  COMPILE_DEFINITIONS RELA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")

rela_tests(eval_tests
  SOURCES
    rela/eval/test_classify.cpp
    rela/eval/test_cosine_search.cpp
    rela/eval/test_eval_features.cpp
    rela/eval/test_knn.cpp
    rela/eval/test_linear_probe.cpp
    rela/eval/test_neighbours.cpp
    rela/eval/test_raw_pixels.cpp
    rela/report/test_browser.cpp
    rela/report/test_chart.cpp
    rela/report/test_heat_map.cpp
    rela/report/test_report.cpp
    rela/run/test_events.cpp
    rela/run/test_run_log.cpp
    rela/transport/test_compare.cpp
    rela/transport/test_linear_map.cpp
  LINKS
    rela)
# gcc 12 warns about the deliberately undefined registers in its own AVX-512 header.
set_source_files_properties(rela/transport/test_linear_map.cpp PROPERTIES COMPILE_OPTIONS
                            "-Wno-unknown-warning-option;-Wno-maybe-uninitialized")

rela_tests(picture_tests
  SOURCES
    rela/pictures/test_canvas.cpp
    rela/pictures/test_neighbour_sheet.cpp
  LINKS
    rela
    PNG::PNG)

rela_tests(train_tests
  SOURCES
    rela/train/test_byol_golden.cpp
    rela/run/test_checkpoint_store.cpp
    rela/train/test_loss_scale.cpp
    rela/train/test_phase.cpp
    rela/train/test_phase_switch.cpp
    rela/train/test_rela_golden.cpp
    rela/run/test_run_files.cpp
    rela/train/test_supervised.cpp
    rela/train/test_training_step.cpp
  LINKS
    rela)

rela_tests(data_tests
  SOURCES
    rela/data/test_cifar.cpp
    rela/data/test_decode.cpp
    rela/data/test_eval_loader.cpp
    rela/data/test_idx.cpp
    rela/data/test_idx_file.cpp
    rela/data/test_loader_options.cpp
    rela/data/test_part_of_images.cpp
    rela/data/test_photos.cpp
    rela/data/test_tar.cpp
    rela/data/test_sampler.cpp
    rela/data/test_subset.cpp
    rela/data/test_synthetic.cpp
  LINKS
    rela
    ZLIB::ZLIB)

rela_tests(onnx_tests
  SOURCES rela/onnx/test_onnx.cpp
  LINKS rela)

rela_tests(targets_tests
  SOURCES
    rela/prior/test_model_input.cpp
    rela/prior/test_prior.cpp
    rela/targets/test_row_file.cpp
    rela/targets/test_targets.cpp
    rela/targets/test_whitening.cpp
  LINKS
    rela)

# What threads do together, other than OpenMP's, which the thread sanitizer does not see: small enough for it, under which
# check.sh runs them too.
rela_tests(loader_tests
  SOURCES
    rela/data/test_bad_images.cpp
    rela/data/test_loader.cpp
    rela/data/test_view_jobs.cpp
  LINKS
    rela
    ZLIB::ZLIB)
rela_tests(rank_thread_tests
  SOURCES
    rela/train/test_rank_threads.cpp
    runtime/test_shards.cpp
  LINKS
    rela)
if(RELA_SANITIZE MATCHES "thread")
  foreach(name loader_tests rank_thread_tests)
    target_sources(${name} PRIVATE support/tsan_options.cpp)
  endforeach()
endif()
