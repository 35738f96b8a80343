#include "rela/train/trained_part.h"

namespace rela {

void finish_gradients(std::span<const TrainedPart> parts) {
  for (const TrainedPart& part : parts) part.arena->finish_gradients();
}

}  // namespace rela
