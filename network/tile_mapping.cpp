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

namespace {

// Rows [first, last) of a pass repeated until the last of them is done: body(repetitions of this
// stretch, rows still active, most chunks among them) for stretches in which the same rows are
// active.
template <class Run, class Body>
void for_each_stretch(std::int64_t first, std::int64_t last, const Run& run, Body body,
                      std::vector<ChannelRun>& sorted) {
  sorted.clear();
  for (std::int64_t c = first; c < last; ++c) sorted.push_back(run(c));
  std::sort(sorted.begin(), sorted.end(),
            [](const ChannelRun& a, const ChannelRun& b) { return a.repetitions > b.repetitions; });
  // From the rows that repeat most: the stretch in which exactly the first k rows are active.
  double chunks = 0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    chunks = std::max(chunks, sorted[k].chunks);
    const double next = k + 1 < sorted.size() ? sorted[k + 1].repetitions : 0;
    const double repetitions = sorted[k].repetitions - next;
    if (repetitions > 0) body(repetitions, static_cast<std::int64_t>(k + 1), chunks);
  }
}

}  // namespace

ProductWork work_of(const photonics::Tile& tile, const MatrixProduct& product,
                    std::span<const ChannelRun> runs) {
  const std::int64_t m = product.channels / product.groups;
  const std::int64_t n = product.positions / product.stack;
  const std::int64_t d = product.dot_length;
  const auto positions = static_cast<double>(n);
  const auto depth = static_cast<double>(d);
  const auto transmitters = [&](std::int64_t receivers) {
    return tile.fan_out > 0 ? ceil_div(receivers, tile.fan_out) : 1;
  };
  const bool held = tile.dataflow == photonics::Dataflow::weight_stationary;
  const Cut columns(held ? d : n, tile.columns);
  const auto column_blocks = static_cast<double>(columns.count());
  const auto weight_transmitters = static_cast<double>(columns.sum(transmitters));
  const auto slots_of_pass = static_cast<double>(ceil_div(held ? n : d, tile.wavelengths));

  ProductWork work;
  work.macs = static_cast<double>(product.macs());
  double serial_reads = 0;
  std::vector<ChannelRun> sorted;
  // All groups alike: one stands for them.
  const std::int64_t groups = runs.size() == 1 ? 1 : product.groups;
  for (std::int64_t group = 0; group < groups; ++group) {
    const auto run = [&](std::int64_t channel) {
      return runs.size() == 1 ? runs[0] : runs[static_cast<std::size_t>(group * m + channel)];
    };
    for (std::int64_t first = 0; first < m; first += tile.rows) {
      const std::int64_t last = std::min(first + tile.rows, m);
      for_each_stretch(
          first, last, run,
          [&](double repetitions, std::int64_t active, double chunks) {
            work.passes += repetitions * column_blocks;
            work.input_symbols +=
                repetitions * static_cast<double>(transmitters(active)) * positions * depth;
            work.input_values += repetitions * positions * depth;
            serial_reads += repetitions * column_blocks * (held ? 1.0 : chunks);
          },
          sorted);
      for (std::int64_t c = first; c < last; ++c) {
        const ChannelRun own = run(c);
        const double reads = own.repetitions * (held ? column_blocks : own.chunks);
        work.reads += reads * positions;
        work.partial_sums += (reads - 1) * positions;
        work.multiplications += own.repetitions * positions * depth;
        if (held) {
          work.programmed_weights += depth;
          work.weight_values += depth;
        } else {
          work.weight_symbols += own.repetitions * depth * weight_transmitters;
          work.weight_values += own.repetitions * depth * column_blocks;
        }
      }
    }
  }
  const double times =
      static_cast<double>(product.stack) * static_cast<double>(product.groups / groups);
  for (double* count : {&work.passes, &work.input_symbols, &work.weight_symbols,
                        &work.programmed_weights, &work.reads, &work.partial_sums,
                        &work.multiplications, &work.input_values, &work.weight_values}) {
    *count *= times;
  }
  work.slots = work.passes * slots_of_pass;
  work.latency_s = work.slots / tile.symbol_rate_hz + serial_reads * times * tile.read_time_s;
  return work;
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
