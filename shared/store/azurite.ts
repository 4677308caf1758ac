import { isLoopback } from '../config/values.ts';

/**
 * Azurite's one account and its key, which Microsoft publishes: it opens an emulator on loopback and nothing else
 * (learn.microsoft.com/azure/storage/common/storage-use-azurite, "Well-known storage account and key").
 */
export const AZURITE_ACCOUNT = 'devstoreaccount1';
export const AZURITE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Azurite takes Entra tokens over https alone, so that the gateway signs with its key instead. */
export const isAzurite = (url: string): boolean => isLoopback(new URL(url).hostname);

/** `http://127.0.0.1:10000/devstoreaccount1` of whatever lies in it. */
export const azuriteAccount = (url: string): string => `${new URL(url).origin}/${AZURITE_ACCOUNT}`;
