// The closed forms of the mapping against a simulation that walks through every slot of a tile.
#include "network/tile_mapping.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

namespace attojoule::network {
namespace {

using photonics::Dataflow;
using photonics::Tile;

MatrixProduct make_product(std::int64_t channels, std::int64_t positions, std::int64_t depth,
                           std::int64_t groups, std::int64_t stack) {
  MatrixProduct product;
  product.channels = channels * groups;
  product.positions = positions * stack;
  product.dot_length = depth;
  product.groups = groups;
  product.stack = stack;
  return product;
}

// Counts events one by one: which transmitter sends in which slot, which receiver is read when.
ProductMapping simulate(const Tile& tile, const MatrixProduct& product, std::int64_t limit,
                        std::int64_t repetitions) {
  ProductMapping count;
  const std::int64_t m = product.channels / product.groups;
  const std::int64_t n = product.positions / product.stack;
  const std::int64_t d = product.dot_length;
  const std::int64_t fan_out = tile.fan_out > 0 ? tile.fan_out : std::int64_t{1} << 40;
  double busy = 0;
  for (std::int64_t matrix = 0; matrix < product.groups * product.stack; ++matrix) {
    for (std::int64_t repeat = 0; repeat < repetitions; ++repeat) {
      const bool output_stationary = tile.dataflow == Dataflow::output_stationary;
      const std::int64_t second = output_stationary ? n : d;  // axis along the tile's columns
      const std::int64_t stream = output_stationary ? d : n;  // axis along time
      for (std::int64_t r0 = 0; r0 < m; r0 += tile.rows) {
        for (std::int64_t c0 = 0; c0 < second; c0 += tile.columns) {
          ++count.passes;
          const std::int64_t r1 = std::min(r0 + tile.rows, m);
          const std::int64_t c1 = std::min(c0 + tile.columns, second);
          if (!output_stationary && repeat == 0) count.programmed_weights += (r1 - r0) * (c1 - c0);
          std::int64_t since_read = 0;
          for (std::int64_t t = 0; t < stream; t += tile.wavelengths) {
            ++count.slots;
            for (std::int64_t k = t; k < std::min(t + tile.wavelengths, stream); ++k) {
              std::set<std::pair<std::int64_t, std::int64_t>> input_senders, weight_senders;
              for (std::int64_t r = r0; r < r1; ++r) {
                for (std::int64_t c = c0; c < c1; ++c) {
                  ++busy;
                  input_senders.insert({c, (r - r0) / fan_out});
                  if (output_stationary) weight_senders.insert({r, (c - c0) / fan_out});
                }
              }
              count.input_symbols += static_cast<std::int64_t>(input_senders.size());
              count.weight_symbols += static_cast<std::int64_t>(weight_senders.size());
              if (output_stationary) {
                ++since_read;
                if (since_read == limit || k + 1 == stream) {
                  since_read = 0;
                  count.reads += (r1 - r0) * (c1 - c0);
                }
              } else {
                count.reads += r1 - r0;
              }
            }
          }
        }
      }
    }
  }
  // Every read beyond the first of an output is added digitally.
  count.partial_sums = count.reads - product.outputs();
  count.macs = product.macs();
  count.utilisation =
      busy / (static_cast<double>(count.slots) * static_cast<double>(tile.rows) *
              static_cast<double>(tile.columns) * static_cast<double>(tile.wavelengths));
  return count;
}

TEST(TileMapping, CountsEqualAWalkThroughEverySlot) {
  const bool holds = rc::check("closed forms equal the simulation", [] {
    const auto size = [](int highest) { return *rc::gen::inRange<std::int64_t>(1, highest + 1); };
    Tile tile;
    tile.dataflow = *rc::gen::element(Dataflow::output_stationary, Dataflow::weight_stationary);
    tile.rows = size(5);
    tile.columns = size(5);
    tile.wavelengths = size(3);
    tile.fan_out = *rc::gen::inRange<std::int64_t>(0, 4);
    const MatrixProduct product = make_product(size(11), size(11), size(13), size(2), size(2));
    const std::int64_t repetitions = size(3);
    const std::int64_t limit = size(14);
    const std::int64_t chunks = (product.dot_length + limit - 1) / limit;
    const ProductMapping mapped = map_product(tile, product, chunks, repetitions);
    const ProductMapping counted = simulate(tile, product, limit, repetitions);
    RC_ASSERT(mapped.macs == counted.macs);
    RC_ASSERT(mapped.passes == counted.passes);
    RC_ASSERT(mapped.slots == counted.slots);
    RC_ASSERT(mapped.input_symbols == counted.input_symbols);
    RC_ASSERT(mapped.weight_symbols == counted.weight_symbols);
    RC_ASSERT(mapped.programmed_weights == counted.programmed_weights);
    RC_ASSERT(mapped.reads == counted.reads);
    RC_ASSERT(mapped.partial_sums == counted.partial_sums);
    RC_ASSERT(std::abs(mapped.utilisation - counted.utilisation) < 1e-12);
  });
  EXPECT_TRUE(holds);
}

TEST(TileMapping, FullTileWorksAtItsCapacity) {
  Tile tile;
  tile.rows = 4;
  tile.columns = 8;
  tile.symbol_rate_hz = 2e9;
  tile.read_time_s = 3e-9;
  const ProductMapping mapped = map_product(tile, make_product(8, 16, 100, 1, 1), 1, 1);
  EXPECT_EQ(mapped.passes, 4);
  EXPECT_EQ(mapped.slots, 400);
  EXPECT_DOUBLE_EQ(mapped.utilisation, 1.0);
  EXPECT_DOUBLE_EQ(mapped.latency_s, 400 / 2e9 + 4 * 3e-9);
}

TEST(TileMapping, TotalsAddUp) {
  Tile tile;
  const ProductMapping a = map_product(tile, make_product(64, 64, 10, 1, 1), 1, 1);
  const ProductMapping b = map_product(tile, make_product(1, 64, 30, 1, 1), 1, 1);
  const ProductMapping sum = total_mapping({a, b});
  EXPECT_EQ(sum.reads, a.reads + b.reads);
  EXPECT_DOUBLE_EQ(sum.latency_s, a.latency_s + b.latency_s);
  EXPECT_DOUBLE_EQ(sum.utilisation, (10 * 1.0 + 30 * 1.0 / 64) / 40);
}

}  // namespace
}  // namespace attojoule::network
