#pragma once
// Features of a data set that several ranks make together, each of a part.

#include "rela/data/dataset.h"
#include "rela/eval/features.h"
#include "runtime/comm/communicator.h"

namespace rela {

/// The part of a data set whose features this rank makes: the parts follow one another in the order
/// of the ranks. The data set must outlive it.
std::unique_ptr<ImageDataset> part_of_rank(const ImageDataset& dataset, const Communicator& ranks);

/// The parts of all ranks, joined, on every rank. Collective.
FeatureSet gather_features(const FeatureSet& part, Communicator& ranks);

}  // namespace rela
