# Tests of rela/

rela_tests(config_tests
  SOURCES
    rela/config/config_load_test.cpp
    rela/config/config_mistakes_test.cpp
    rela/config/config_override_test.cpp
    rela/config/config_schema_test.cpp
  LINKS
    rela)
set_source_files_properties(rela/config/config_load_test.cpp PROPERTIES
  COMPILE_DEFINITIONS RELA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")

rela_tests(eval_tests
  SOURCES
    rela/eval/classify_test.cpp
    rela/eval/eval_features_test.cpp
    rela/eval/knn_test.cpp
    rela/eval/linear_probe_test.cpp
    rela/eval/metrics_test.cpp
    rela/eval/neighbours_test.cpp
    rela/report/browser_test.cpp
    rela/report/chart_test.cpp
    rela/report/heat_map_test.cpp
    rela/report/report_test.cpp
    rela/report/run_log_test.cpp
    rela/transport/test_compare.cpp
    rela/transport/test_linear_map.cpp
  LINKS
    rela)
# gcc 12 warns about the deliberately undefined registers in its own AVX-512 header.
set_source_files_properties(rela/transport/test_linear_map.cpp PROPERTIES COMPILE_OPTIONS
                            "-Wno-unknown-warning-option;-Wno-maybe-uninitialized")

rela_tests(picture_tests
  SOURCES
    rela/pictures/canvas_test.cpp
    rela/pictures/neighbour_sheet_test.cpp
  LINKS
    rela
    PNG::PNG)

rela_tests(train_tests
  SOURCES
    rela/train/test_byol_golden.cpp
    rela/train/test_checkpoint_store.cpp
    rela/train/test_loss_scale.cpp
    rela/train/test_phase_switch.cpp
    rela/train/test_rela_golden.cpp
    rela/train/test_run_files.cpp
    rela/train/test_supervised.cpp
  LINKS
    rela)

rela_tests(data_tests
  SOURCES
    rela/data/test_cifar.cpp
    rela/data/test_eval_loader.cpp
    rela/data/test_idx.cpp
    rela/data/test_idx_file.cpp
    rela/data/test_loader.cpp
    rela/data/test_loader_options.cpp
    rela/data/test_part_of_images.cpp
    rela/data/test_sampler.cpp
    rela/data/test_subset.cpp
    rela/data/test_synthetic.cpp
  LINKS
    rela
    ZLIB::ZLIB)

rela_tests(targets_tests
  SOURCES
    rela/prior/prior_test.cpp
    rela/targets/row_file_test.cpp
    rela/targets/targets_test.cpp
    rela/targets/whitening_test.cpp
  LINKS
    rela)
