//! Client library of Kez Chat and the kez command.
