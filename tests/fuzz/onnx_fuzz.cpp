// Any bytes as an ONNX model: refused with an error of the project, or built and run on zeros.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "network/graph.hpp"
#include "network/program.hpp"
#include "photonics/error.hpp"

namespace {

using namespace attojoule;

// The declared shape, with 1 for what is left open; false where that is too large to be tried.
bool guess_shapes(const network::Graph& graph, std::vector<network::Shape>& shapes) {
  constexpr std::int64_t most = 1'000'000;
  std::int64_t all = 0;
  for (const network::ValueId id : graph.inputs) {
    network::Shape shape = graph.value(id).shape;
    for (auto& extent : shape) extent = extent < 0 ? 1 : extent;
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) {
      if (__builtin_mul_overflow(count, extent, &count)) return false;
    }
    if (count > most || (all += count) > most) return false;
    shapes.push_back(std::move(shape));
  }
  return true;
}

// A network may be large, and then it takes its time: only what should be quick is run.
bool is_slow(const network::Program& program) {
  constexpr std::size_t most_bytes = std::size_t{64} << 20;
  constexpr std::int64_t most_operations = 100'000'000;
  std::int64_t operations = 0;
  for (const auto& product : program.products()) {
    if (__builtin_add_overflow(operations, product.macs(), &operations)) return true;
  }
  for (const auto& operation : program.digital_operations()) operations += operation.elements;
  return program.arena_bytes() > most_bytes || operations > most_operations;
}

void build_and_run(std::span<const std::byte> bytes) {
  network::Graph graph = network::import_onnx(bytes, "fuzz.onnx");
  std::vector<network::Shape> shapes;
  if (!guess_shapes(graph, shapes)) return;
  network::bind_inputs(graph, shapes);
  network::simplify(graph);
  const network::Program program(std::move(graph), {});
  if (is_slow(program)) return;
  network::Program::Lane lane = program.make_lane();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::span<float> input = lane.input(i);
    std::fill(input.begin(), input.end(), 0.0f);
  }
  std::vector<network::ProductRecord> records(program.products().size());
  const auto outputs = program.run(lane, 0, {false, true, 0}, records);
  if (static_cast<std::int64_t>(outputs.size()) != program.output_size()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  try {
    build_and_run(std::as_bytes(std::span(bytes, size)));
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
  }
  return 0;
}
