#include "rela/run/run_record.h"

namespace rela {

void RunRecord::write(const RunPosition& at, const RunEvent& event) {
  if (folder_ == nullptr) return;
  metrics_->write(at.step, static_cast<int64_t>(at.epoch), event);
}

void RunRecord::write_status(const RunPosition& at, const char* state, ExitCode code,
                             const std::string& message) const {
  if (folder_ == nullptr) return;
  folder_->check_is_there();
  rela::write_status(folder_->path(), status(at, state, code, message));
}

void RunRecord::write_failure(const RunPosition& at, ExitCode code,
                              const std::string& message) const {
  if (folder_ == nullptr) return;
  write_last_status(folder_->path(), status(at, RunStatus::kFailed, code, message));
}

RunStatus RunRecord::status(const RunPosition& at, const char* state, ExitCode code,
                            const std::string& message) const {
  return {.state = state,
          .step = at.step,
          .total_steps = total_steps_,
          .epoch = static_cast<int64_t>(at.epoch),
          .exit_code = static_cast<int64_t>(code),
          .message = message};
}

}  // namespace rela
