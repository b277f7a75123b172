/* plugins/stores/optuna.h */
