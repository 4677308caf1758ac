/**
 * Why a setting of the environment cannot be used; undefined where it can. A Key Vault reference that App Service could not resolve
 * stands there as its own text (learn.microsoft.com/azure/app-service/app-service-key-vault-references, "Troubleshoot").
 */
export function settingFault(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim() ?? '';
  if (value === '') return 'is not set';
  return value.startsWith('@Microsoft.KeyVault(') ? 'holds a Key Vault reference that was not resolved' : undefined;
}
