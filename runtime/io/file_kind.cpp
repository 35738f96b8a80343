#include "runtime/io/file_kind.h"

#include <algorithm>
#include <cctype>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr const char* kSaveAgain =
    "; save the tensors as safetensors: safetensors.torch.save_file(model.state_dict(), FILE)";

bool starts_with_word(std::string_view text, std::string_view lower_word) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return text.size() >= lower_word.size() &&
         std::equal(lower_word.begin(), lower_word.end(), text.begin(),
                    [&](char word, char c) { return same(c, word); });
}

std::string_view without_space(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

}  // namespace

std::string weights_mistaken_for(std::string_view start) {
  using namespace std::string_view_literals;
  if (start.empty()) return "an empty file; download or export it again";
  if (start.starts_with("version https://git-lfs.github.com/spec/"sv))
    return "a Git LFS pointer, not the weights; fetch them with git lfs pull, or download the file";
  const std::string_view text = without_space(start);
  if (starts_with_word(text, "<!doctype html") || starts_with_word(text, "<html"))
    return "a web page, not the weights; download the file itself";
  if (start.starts_with("PK\x03\x04"sv))
    return cat("a ZIP archive, as torch.save writes", kSaveAgain);
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    return cat("a pickle, as torch.save wrote before PyTorch 1.6", kSaveAgain);
  constexpr char kLatestOnnx = 64;  // of its format's versions, with room
  if (start.size() >= 3 && start[0] == '\x08' && start[1] < kLatestOnnx && start[2] == '\x12')
    return "an ONNX graph, which holds no state dictionary; name the weights that it was made of";
  if (start.starts_with("\x1f\x8b"sv)) return "gzipped; unpack it with gunzip";
  if (text.starts_with("{"sv)) {
    return text.find("\"weight_map\"") != std::string_view::npos ||
                   text.find("\"total_size\"") != std::string_view::npos
               ? "an index of weights in several files; merge them into one safetensors file"
               : "JSON text, not the weights; name the safetensors file beside it";
  }
  return "";
}

}  // namespace rela
