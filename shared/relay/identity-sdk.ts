/** The credentials that are used, in a file of their own, so that a bundle leaves out the rest of the SDK. */
export { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
