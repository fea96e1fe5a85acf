#include "network/tile_mapping.hpp"

#include <algorithm>

namespace attojoule::network {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// An axis cut into blocks.
struct Cut {
  std::int64_t full;  // blocks of the whole size
  std::int64_t rest;  // extent of the last block if it is smaller; else 0
  std::int64_t size;

  Cut(std::int64_t extent, std::int64_t block)
      : full(extent / block), rest(extent % block), size(block) {}
  std::int64_t count() const { return full + (rest > 0 ? 1 : 0); }
  // Sum over blocks of f(extent of the block).
  template <class Function>
  std::int64_t sum(Function f) const {
    return full * f(size) + (rest > 0 ? f(rest) : 0);
  }
};

}  // namespace

ProductMapping map_product(const photonics::Tile& tile, const MatrixProduct& product,
                           std::int64_t chunks, std::int64_t repetitions) {
  const std::int64_t matrices = product.groups * product.stack;
  const std::int64_t m = product.channels / product.groups;
  const std::int64_t n = product.positions / product.stack;
  const std::int64_t d = product.dot_length;
  // Transmitters that reach `receivers` receivers.
  const auto transmitters = [&](std::int64_t receivers) {
    return tile.fan_out > 0 ? ceil_div(receivers, tile.fan_out) : 1;
  };
  ProductMapping result;
  result.macs = product.macs();
  std::int64_t serial_reads = 0;  // after each other in time
  const Cut rows(m, tile.rows);
  if (tile.dataflow == photonics::Dataflow::output_stationary) {
    const Cut columns(n, tile.columns);
    const std::int64_t passes = rows.count() * columns.count();
    result.passes = passes;
    result.slots = passes * ceil_div(d, tile.wavelengths);
    // A column's inputs reach the rows of its block, a row's weights the columns of theirs.
    result.input_symbols = n * d * rows.sum(transmitters);
    result.weight_symbols = m * d * columns.sum(transmitters);
    result.reads = m * n * chunks;
    result.partial_sums = m * n * (chunks - 1);
    serial_reads = passes * chunks;
  } else {
    const Cut columns(d, tile.columns);
    result.passes = rows.count() * columns.count();
    result.slots = result.passes * ceil_div(n, tile.wavelengths);
    result.input_symbols = n * d * rows.sum(transmitters);
    result.programmed_weights = m * d;
    result.reads = m * n * columns.count();
    result.partial_sums = m * n * (columns.count() - 1);
    // Reads of a slot happen while the next slot's light arrives; the last one of a pass does not.
    serial_reads = result.passes;
  }
  const std::int64_t times = matrices * repetitions;
  result.passes *= times;
  result.slots *= times;
  result.input_symbols *= times;
  result.weight_symbols *= times;
  result.programmed_weights *= matrices;  // repetitions find their weights in place
  result.reads *= times;
  result.partial_sums = result.partial_sums * times + m * n * matrices * (repetitions - 1);
  const double capacity = static_cast<double>(result.slots) * static_cast<double>(tile.rows) *
                          static_cast<double>(tile.columns) * static_cast<double>(tile.wavelengths);
  result.utilisation =
      capacity > 0 ? static_cast<double>(result.macs) * static_cast<double>(repetitions) / capacity
                   : 0.0;
  result.latency_s = static_cast<double>(result.slots) / tile.symbol_rate_hz +
                     static_cast<double>(serial_reads * times) * tile.read_time_s;
  return result;
}

ProductMapping total_mapping(const std::vector<ProductMapping>& products) {
  ProductMapping total;
  double work = 0;
  for (const ProductMapping& one : products) {
    total.macs += one.macs;
    total.passes += one.passes;
    total.slots += one.slots;
    total.input_symbols += one.input_symbols;
    total.weight_symbols += one.weight_symbols;
    total.programmed_weights += one.programmed_weights;
    total.reads += one.reads;
    total.partial_sums += one.partial_sums;
    total.latency_s += one.latency_s;
    work += one.utilisation * static_cast<double>(one.slots);
  }
  total.utilisation = total.slots > 0 ? work / static_cast<double>(total.slots) : 0.0;
  return total;
}

}  // namespace attojoule::network
