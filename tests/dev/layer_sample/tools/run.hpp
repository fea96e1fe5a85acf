#pragma once
#include <CLI/CLI.hpp>
#include <iostream>
#include "network/graph.hpp"
#include "../data/config.hpp"  // wrong: root
