#pragma once
#include <dnnl.hpp>              // wrong: subject
#include <CLI/CLI.hpp>           // wrong: subject
#include "data/config.hpp"
#include "network/graph.hpp"     // wrong: layer
