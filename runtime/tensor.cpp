#include "runtime/tensor.h"

#include <algorithm>
#include <cstring>

#include "runtime/allocator.h"
#include "runtime/cuda.h"
#include "runtime/error.h"

namespace rela {

class Storage {
 public:
  Storage(size_t bytes, Allocator& allocator)
      : allocator_(allocator), block_(allocator.allocate(bytes)) {}
  ~Storage() { allocator_.free(block_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void* data() { return block_.data; }

 private:
  Allocator& allocator_;
  Allocator::Block block_;
};

Tensor::Tensor(std::shared_ptr<Storage> storage, const Shape& shape, Dtype dtype, Device device)
    : storage_(std::move(storage)),
      data_(storage_->data()),
      shape_(shape),
      numel_(shape.numel()),
      dtype_(dtype),
      device_(device) {}

namespace {

size_t bytes_of(const Shape& shape, Dtype dtype) {
  return static_cast<size_t>(shape.numel()) * dtype_bytes(dtype);
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, Dtype dtype, Device device) {
  return {std::make_shared<Storage>(bytes_of(shape, dtype), Allocator::of(device)), shape, dtype,
          device};
}

Tensor Tensor::pinned(const Shape& shape, Dtype dtype) {
  return {std::make_shared<Storage>(bytes_of(shape, dtype), Allocator::pinned()), shape, dtype,
          Device::kCpu};
}

Tensor Tensor::zeros(const Shape& shape, Dtype dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill_zero();
  return t;
}

Tensor Tensor::full(const Shape& shape, float value, Device device) {
  Tensor t = empty(shape, Dtype::kF32);
  for (float& x : t.span<float>()) x = value;
  return t.to(device);
}

Tensor Tensor::from(std::span<const float> values, const Shape& shape) {
  RELA_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), ShapeError,
             "tensor: ", values.size(), " values for shape ", shape, "; counts must agree");
  Tensor t = empty(shape, Dtype::kF32);
  if (!values.empty()) std::memcpy(t.raw(), values.data(), values.size_bytes());
  return t;
}

Tensor Tensor::view(const Shape& shape) const {
  RELA_CHECK(shape.numel() == numel_, ShapeError, "view: ", describe(*this), " as ", shape,
             "; the number of elements must stay");
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  RELA_CHECK(shape_.rank() > 0 && 0 <= begin && begin <= end && end <= shape_[0], ShapeError,
             "slice: rows [", begin, ", ", end, ") of ", describe(*this));
  std::array<int64_t, Shape::kMaxRank> dims{};
  std::copy(shape_.dims().begin(), shape_.dims().end(), dims.begin());
  dims[0] = end - begin;
  const int64_t row = shape_[0] == 0 ? 0 : numel_ / shape_[0];
  return segment(begin * row, Shape(std::span(dims.data(), shape_.dims().size())));
}

Tensor Tensor::segment(int64_t offset, const Shape& shape) const {
  RELA_CHECK(offset >= 0 && offset + shape.numel() <= numel_, ShapeError, "segment: ", shape,
             " at element ", offset, " does not lie in ", describe(*this));
  Tensor t = *this;
  t.data_ = static_cast<char*>(data_) + static_cast<size_t>(offset) * dtype_bytes(dtype_);
  t.shape_ = shape;
  t.numel_ = shape.numel();
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty(shape_, dtype_, device_);
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& source) {
  RELA_CHECK(source.dtype_ == dtype_ && source.numel_ == numel_, ShapeError,
             "copy: ", describe(source), " into ", describe(*this),
             "; dtype and number of elements must agree");
  if (numel_ == 0) return;
  if (device_ == Device::kCpu && source.device_ == Device::kCpu) {
    std::memmove(data_, source.data_, bytes());
  } else if (device_ == source.device_) {
    cuda_copy_async(data_, source.data_, bytes(), CopyKind::kDeviceToDevice, cuda_compute_stream());
  } else {
    cuda_copy(data_, source.data_, bytes(),
              device_ == Device::kCpu ? CopyKind::kDeviceToHost : CopyKind::kHostToDevice);
  }
}

void Tensor::fill_zero() {
  if (numel_ == 0) return;
  if (device_ == Device::kCpu) {
    std::memset(data_, 0, bytes());
  } else {
    cuda_fill_async(data_, 0, bytes(), cuda_compute_stream());
  }
}

Tensor Tensor::to(Device device) const {
  if (device == device_) return *this;
  Tensor t = empty(shape_, dtype_, device);
  t.copy_from(*this);
  return t;
}

float Tensor::item() const {
  RELA_CHECK(numel_ == 1, ShapeError, "item: ", describe(*this), "; one element is needed");
  return *to(Device::kCpu).data<float>();
}

void Tensor::check_dtype(Dtype wanted) const {
  RELA_CHECK(dtype_ == wanted, DtypeError, "tensor: ", describe(*this), " accessed as ",
             dtype_name(wanted));
}

void Tensor::check_on_host() const {
  RELA_CHECK(device_ == Device::kCpu, InternalError, "tensor: ", describe(*this),
             " read by host code; copy it with to(Device::kCpu) first");
}

Scratch::Scratch(size_t bytes, Device device) {
  const MemoryUseGuard use(MemoryUse::kWorkspace);
  tensor_ = Tensor::empty({static_cast<int64_t>(bytes)}, Dtype::kU8, device);
}

std::string describe(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined tensor";
  return cat(dtype_name(tensor.dtype()), " ", tensor.shape(),
             tensor.device() == Device::kCpu ? "" : " on cuda");
}

}  // namespace rela
