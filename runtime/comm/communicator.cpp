#include "runtime/comm/communicator.h"

#include "runtime/comm/world.h"
#include "runtime/error.h"

namespace rela {
namespace {

WireType wire_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return WireType::kF32;
    case Dtype::kBf16:
      return WireType::kBf16;
    case Dtype::kF16:
      return WireType::kF16;
    case Dtype::kI64:
      return WireType::kI64;
    case Dtype::kU8:
      break;
  }
  throw DtypeError(cat("communicator: ", dtype_name(dtype),
                       " cannot be summed; f32, bf16, f16 and "
                       "i64 can"));
}

class SingleCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(const WireBuffer& /*buffer*/) override {}
  void begin_sum(const WireBuffer& /*buffer*/) override {}
  void finish_sums() override {}
  std::vector<std::string> gather(std::string_view message) override {
    return {std::string(message)};
  }
  void sum_on_host(std::span<double> /*numbers*/) override {}
  void barrier() override {}
};

}  // namespace

WireBuffer wire_buffer(Tensor& tensor) {
  return {tensor.raw(), tensor.numel(), wire_type(tensor.dtype())};
}

Communicator& single_communicator() {
  static SingleCommunicator single;
  return single;
}

std::unique_ptr<Communicator> make_communicator(Device device, double timeout_s) {
  if (world().is_alone()) return std::make_unique<SingleCommunicator>();
  return device == Device::kCpu ? make_mpi_communicator(timeout_s)
                                : make_nccl_communicator(timeout_s);
}

}  // namespace rela
