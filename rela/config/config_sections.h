#pragma once
// The tables of the config's sections: what load_config, the schema and the documentation share.

#include "rela/config/experiment_config.h"
#include "runtime/io/config_table.h"

namespace rela {

void describe(ConfigTable& table, ExperimentConfig& c);
void describe(ConfigTable& table, LossScaleConfig& c);
void describe(ConfigTable& table, ByolConfig& c);
void describe(ConfigTable& table, TauSchedule& c);
void describe(ConfigTable& table, PriorSource& c);
void describe(ConfigTable& table, SwitchConfig& c);
void describe(ConfigTable& table, RelaConfig& c);
void describe(ConfigTable& table, DataConfig& c);
void describe(ConfigTable& table, ViewSpec& c);
void describe(ConfigTable& table, ColorJitterSpec& c);
void describe(ConfigTable& table, BlurSpec& c);
void describe(ConfigTable& table, SolarizeSpec& c);
void describe(ConfigTable& table, OptimizerConfig& c);
void describe(ConfigTable& table, SchedulerConfig& c);
void describe(ConfigTable& table, EvalConfig& c);
void describe(ConfigTable& table, CheckpointConfig& c);
void describe(ConfigTable& table, DistributedConfig& c);

/// What load_config makes of a document, mistakes added to `issues`. `out` stays empty when the
/// document names none.
ExperimentConfig read_experiment_config(const JsonValue& document, const std::string& folder,
                                        ConfigIssues& issues);

}  // namespace rela
